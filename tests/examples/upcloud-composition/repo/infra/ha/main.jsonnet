(import '../../templates/lib/upcloud.libsonnet').ha_stack
