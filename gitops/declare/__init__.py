"""What a commit declares: read, merged, validated, and turned into the values planners work on."""
