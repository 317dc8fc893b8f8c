"""How things are drawn. Takes numbers and knows no subject."""
