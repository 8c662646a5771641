"""What a request must satisfy before it reaches a worker.

Plain functions rather than protovalidate: a dozen ranges do not earn a second, annotated descriptor pool
and a runtime that is still alpha. The rules stand in the .proto comments, whose field paths these are.
"""

from ligserve.server.validation.requests import violations

__all__ = ["violations"]
