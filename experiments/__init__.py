"""The roof: studies on real public data, and the demonstration that walks through the whole house."""
