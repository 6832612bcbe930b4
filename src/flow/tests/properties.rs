//! Any order, loss, overlap or nonsense, against a model that knows every byte.
