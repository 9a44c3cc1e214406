local servers = import '../../templates/lib/servers.libsonnet';
{
  settings: { provider: 'fake', environment: 'prod' },
  servers: [servers.production_web_server, servers.DefaultCacheServer] + servers.production_database_stack,
}
