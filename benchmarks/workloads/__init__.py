"""What is asked, how exactly, and what comes back."""
