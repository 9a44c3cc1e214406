"""Making it happen: providers, machines, taskservs and the run machine."""

__owner__ = "provisioning 0.1.0"
