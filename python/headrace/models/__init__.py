"""Models ready to quantize and compile. Each module imports what it needs when it is loaded."""
