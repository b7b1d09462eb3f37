"""The machines, one folder or file each."""
