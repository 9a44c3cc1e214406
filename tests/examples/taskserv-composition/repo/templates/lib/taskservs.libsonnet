local after(names) = [{ name: name, wait_for_health: true } for name in names];
local defaults = {
  kubernetes: { version: '1.28.0', enabled: true, dependencies: after(['containerd', 'etcd']) },
  cilium: { version: '1.14.0', enabled: true, dependencies: after(['kubernetes']) },
  containerd: { version: '1.7.0', enabled: true, dependencies: [] },
  etcd: { version: '3.5.0', enabled: true, dependencies: [] },
  postgres: { version: '15.0', enabled: true, dependencies: [] },
  redis: { version: '7.0.0', enabled: true, dependencies: [] },
};
local at(versions) = { [name]: defaults[name] { version: versions[name] } for name in std.objectFields(versions) };
{
  defaults: defaults,
  make_taskserv(name, overrides):: defaults[name] + overrides,
  wuji_k8s_stack: { [name]: defaults[name] for name in ['kubernetes', 'cilium', 'containerd', 'etcd'] },
  wuji_data_stack: at({ postgres: '15.3', redis: '7.2.0' }),
  staging_stack: at({ kubernetes: '1.27.0', cilium: '1.13.0', containerd: '1.6.0', etcd: '3.4.0', postgres: '14.0' }),
}
