"""The only place that runs or imports git. Which tool does what is decided by measurement: docs/measurements.md."""
