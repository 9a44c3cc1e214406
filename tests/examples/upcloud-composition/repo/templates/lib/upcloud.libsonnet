local backup = { frequency: 'daily', retention_days: 7 };
local server = { plan: '1xCPU-1GB', zone: 'us-nyc1', backups: [] };
local with(frequency) = [backup { frequency: frequency }];
{
  make_backup(overrides):: backup + overrides,
  make_server(overrides):: server + overrides,
  production_high_availability: {
    servers: [
      server { name: 'web-01', plan: '2xCPU-4GB', zone: 'us-nyc1', backups: with('hourly') },
      server { name: 'web-02', plan: '2xCPU-4GB', zone: 'eu-fra1', backups: with('hourly') },
      server { name: 'db-01', plan: '4xCPU-16GB', zone: 'us-nyc1', backups: [backup { frequency: 'every-6h', retention_days: 30 }] },
    ],
  },
  simple_production: {
    settings: $.credentials,
    servers: [server { name: 'web-01', plan: '2xCPU-4GB' }, server { name: 'web-02', plan: '2xCPU-4GB' }],
  },
  ha_stack: self.production_high_availability {
    settings: $.credentials,
    extra: { monitoring_enabled: true, alerting_email: 'ops@company.com', custom_vpc_id: 'vpc-prod-001' },
  },
  credentials:: {
    provider: 'upcloud',
    environment: 'prod',
    provider_config: {
      upcloud: { api_key: 'secret://_shared/upcloud/api_key', api_password: 'secret://_shared/upcloud/api_password' },
    },
  },
}
