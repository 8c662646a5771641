"""Everything that runs beside a model: the engine, quadrature, explainers and models."""
