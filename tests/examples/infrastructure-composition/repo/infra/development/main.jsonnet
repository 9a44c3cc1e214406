(import '../../templates/lib/infrastructure.libsonnet').extended.development
