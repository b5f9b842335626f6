"""Pictures of a model card: figures drawn from plain values, labels in Chinese where a font has them, the same bytes each time."""
