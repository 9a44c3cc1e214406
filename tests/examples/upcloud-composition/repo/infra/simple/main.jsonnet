(import '../../templates/lib/upcloud.libsonnet').simple_production
