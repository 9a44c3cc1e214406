"""Taskservs: services that are installed on a server, whatever provider made it."""
