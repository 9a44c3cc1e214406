// Right side wins; a hidden field (::) is not part of the result.
local defaults = {
  web_server: { name: 'web-01', cpu_cores: 4, memory_gb: 8, zone: 'us-nyc1' },
  database_server: { name: 'db-01', cpu_cores: 8, memory_gb: 16, zone: 'us-nyc1' },
  cache_server: { name: 'cache-01', cpu_cores: 2, memory_gb: 4, zone: 'us-nyc1' },
};
{
  defaults: defaults,
  make_server(overrides):: defaults.web_server + overrides,
  DefaultWebServer: defaults.web_server,
  DefaultDatabaseServer: defaults.database_server,
  DefaultCacheServer: defaults.cache_server,
  production_web_server: defaults.web_server { cpu_cores: 8, memory_gb: 16 },
  production_database_stack: [
    defaults.database_server { name: 'db-01', zone: 'us-nyc1' },
    defaults.database_server { name: 'db-02', zone: 'eu-fra1' },
  ],
}
