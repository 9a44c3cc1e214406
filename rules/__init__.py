"""Who may cause what, and when: pure judgements over plans and approvals."""

__owner__ = "provisioning 0.1.0"
