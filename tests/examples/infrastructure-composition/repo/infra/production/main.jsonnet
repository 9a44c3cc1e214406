(import '../../templates/lib/infrastructure.libsonnet').extended.production
