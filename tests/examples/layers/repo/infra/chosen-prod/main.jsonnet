(import '../../templates/lib/sized.libsonnet')('prod')
