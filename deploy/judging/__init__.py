"""How the linear judge is made and measured."""
