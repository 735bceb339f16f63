"""Live panels for notebooks and the browser."""
