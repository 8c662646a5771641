from tests.sentiment import sentiment_model

__all__ = ["sentiment_model"]
