"""How good the explanations of a version are: sums, agreement with another game, stability, faithfulness by deletion."""
