local taskservs = import '../../templates/lib/taskservs.libsonnet';
{
  settings: { provider: 'fake' },
  servers: {
    'k8s-01': { taskservs: ['cilium', 'kubernetes', 'etcd', 'containerd'] },
    'data-01': { taskservs: ['redis', 'postgres'] },
  },
  taskservs: taskservs.wuji_k8s_stack + taskservs.wuji_data_stack,
}
