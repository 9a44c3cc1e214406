local server_count = 5;
local replicas_per_server = 2;
local total = server_count * replicas_per_server;
{
  settings: { provider: 'fake' },
  servers: { 'db-01': { taskservs: ['postgres'] } },
  taskservs: {
    postgres: {
      version: '16.1',
      config: {
        total_replicas: total,
        max_connections: total * 50,
        shared_buffers: '%dMB' % (total * 128),
      },
    },
  },
}
