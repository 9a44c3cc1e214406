(import '../../templates/lib/sized.libsonnet')('dev')
