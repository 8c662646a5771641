"""What requests cost: told before, held against a limit, and learnt from."""
