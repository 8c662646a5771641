"""The public messages and services of ligserve, generated from the .proto files beside them."""
