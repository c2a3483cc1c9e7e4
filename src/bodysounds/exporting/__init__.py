"""Models that leave: files and folders that other programs load, without this package."""
