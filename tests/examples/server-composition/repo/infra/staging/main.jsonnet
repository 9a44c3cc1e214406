local servers = import '../../templates/lib/servers.libsonnet';
{
  settings: { provider: 'fake', environment: 'staging' },
  servers: {
    staging_web: servers.make_server({ name: 'staging-web', zone: 'eu-fra1' }),
    default_db: servers.DefaultDatabaseServer,
  },
}
