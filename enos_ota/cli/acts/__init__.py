"""What commands that write do, apart from how they are called: imported when one of them runs."""
