function(environment) {
  local production = environment == 'prod',
  settings: { provider: 'fake', environment: environment },
  servers: { 'k8s-01': { taskservs: ['kubernetes'] } },
  taskservs: {
    kubernetes: {
      config: {
        control_plane_count: if production then 3 else 1,
        worker_count: if production then 5 else 2,
        monitoring: { enabled: production, retention: if production then '30d' else '7d' },
      },
    },
  },
}
