"""How plugins are found, and what they register."""
