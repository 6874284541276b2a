"""Device keys: which are allowed, the key files that hold them, and their canonical text."""

from enos_ota.devicekeys.reader import KeyFileError
from enos_ota.devicekeys.reader import read as read_key_file

__all__ = ["KeyFileError", "read_key_file"]
