local upcloud = import '../../templates/lib/upcloud.libsonnet';
{
  settings: { provider: 'upcloud', environment: 'staging' },
  servers: [upcloud.make_server({ name: 'staging-01', zone: 'eu-fra1', backups: [upcloud.make_backup({})] })],
}
