"""What the commands do, apart from how they are called: cancel, retry, stop, adopt, doctor."""
