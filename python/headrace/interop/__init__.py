"""Bridges to other systems: PyTorch operators (`torch_ops`) and IREE (`iree`)."""
