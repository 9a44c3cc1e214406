local server = { cpu_cores: 4, memory_gb: 8, zone: 'us-nyc1' };
local after(names) = [{ name: name, wait_for_health: true } for name in names];
local taskserv(version, names=[]) = { version: version, enabled: true, requires: after(names) };
local k8s(versions) = {
  kubernetes: taskserv(versions[0], ['containerd', 'etcd']),
  cilium: taskserv(versions[1], ['kubernetes']),
  containerd: taskserv(versions[2]),
  etcd: taskserv(versions[3]),
};
local base = {
  development: {
    settings: { provider: 'fake', environment: 'dev' },
    servers: {
      app: server { name: 'dev-app', cpu_cores: 2, taskservs: ['kubernetes', 'cilium', 'containerd', 'etcd'] },
      db: server { name: 'dev-db', cpu_cores: 4, taskservs: ['postgres'] },
    },
    taskservs: k8s(['1.27.0', '1.13.0', '1.6.0', '3.4.0']) { postgres: taskserv('14.0') },
  },
  production: {
    settings: { provider: 'fake', environment: 'prod' },
    servers: [
      server { name: 'prod-app-01', cpu_cores: 8, taskservs: ['kubernetes', 'cilium', 'containerd', 'etcd'] },
      server { name: 'prod-app-02', cpu_cores: 8, taskservs: ['prometheus'] },
      server { name: 'prod-db-01', cpu_cores: 16 },
    ],
    taskservs: k8s(['1.28.0', '1.14.0', '1.7.0', '3.5.0']) { prometheus: taskserv('2.45.0') },
  },
};
base {
  extended: {
    development: base.development {
      extra+: { monitoring_enabled: false, cost_optimization: true, auto_shutdown: true },
    },
    production: base.production {
      extra+: {
        monitoring_enabled: true,
        alert_email: 'ops@company.com',
        backup_enabled: true,
        backup_frequency: '6h',
        disaster_recovery_enabled: true,
        dr_region: 'eu-fra1',
        compliance_level: 'SOC2',
        security_scanning: true,
      },
    },
  },
}
