"""The shapes of the files people write, as pydantic models. Import its modules only where a file is validated."""
