local taskservs = import '../../templates/lib/taskservs.libsonnet';
{
  settings: { provider: 'fake', environment: 'staging' },
  servers: { 'staging-01': { taskservs: std.objectFields(taskservs.staging_stack) } },
  taskservs: taskservs.staging_stack,
}
