"""What Kedro loads and saves for this project."""
