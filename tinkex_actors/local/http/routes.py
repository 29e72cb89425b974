"""The table of endpoints: method and path below ``/api/v1/``, and who answers."""

from collections.abc import Mapping

from tinkex_actors.local.http import (
    account,
    checkpoints,
    directory,
    downloads,
    futures,
    general,
    openapi,
    runs,
    sampling,
    sessions,
    streaming,
    training,
)
from tinkex_actors.local.http.call import Endpoint

PREFIX = "/api/v1/"

OPEN: Mapping[str, Endpoint] = {
    "GET healthz": general.healthz,
    "GET openapi.json": openapi.openapi,
    "GET downloads/{ticket}/{file}": downloads.download,
}
"""What needs no key."""

KEYED: Mapping[str, Endpoint] = {
    "POST client/config": general.client_config,
    "POST client/dynamic_config": general.dynamic_config,
    "GET get_server_capabilities": general.capabilities,
    "POST telemetry": general.telemetry,
    "POST create_session": sessions.create_session,
    "POST session_heartbeat": sessions.heartbeat,
    "POST sessions/{session_id}/finish": sessions.finish,
    "POST create_model": training.create_model,
    "POST get_info": training.get_info,
    "POST forward_backward": training.forward_backward,
    "POST forward": training.forward,
    "POST optim_step": training.optim_step,
    "POST save_weights": training.save_weights,
    "POST save_weights_for_sampler": training.save_weights_for_sampler,
    "POST save_weights_external": training.save_weights_external,
    "POST create_custom_loss": training.create_custom_loss,
    "POST unload_model": training.unload_model,
    "POST load_weights": training.load_weights,
    "POST create_sampling_session": sampling.create_sampling_session,
    "POST asample": sampling.asample,
    "GET samplers/{sampling_session_id}": sampling.get_sampler,
    "POST retrieve_future": futures.retrieve_future,
    "POST stream_sample": streaming.stream_sample,
    "POST retrieve_futures": futures.retrieve_futures,
    "POST cancel_future": futures.cancel_future,
    "POST join_sampling_session": sampling.join_sampling_session,
    "GET training_runs": runs.list_training_runs,
    "GET training_runs/{run_id}": runs.get_training_run,
    "GET training_runs/{run_id}/checkpoints": checkpoints.list_checkpoints_of_run,
    "GET checkpoints": checkpoints.list_checkpoints,
    "DELETE training_runs/{run_id}/checkpoints/{kind}/{name}": checkpoints.delete_checkpoint,
    "POST training_runs/{run_id}/checkpoints/{kind}/{name}/publish": checkpoints.publish,
    "DELETE training_runs/{run_id}/checkpoints/{kind}/{name}/publish": checkpoints.unpublish,
    "PUT training_runs/{run_id}/checkpoints/{kind}/{name}/ttl": checkpoints.set_ttl,
    "GET training_runs/{run_id}/checkpoints/{kind}/{name}/external_weights_urls": downloads.external_weights_urls,
    "GET training_runs/{run_id}/checkpoints/{kind}/{name}/archive": downloads.archive,
    "POST weights_info": checkpoints.weights_info,
    "POST copy_weights": checkpoints.copy_weights,
    "GET sessions": directory.list_sessions,
    "GET sessions/{session_id}": directory.get_session,
    "GET sessions/{session_id}/trace_export": directory.export_trace,
    "PUT sessions/{session_id}/project": directory.assign_project,
    "POST sessions/search": directory.search_sessions,
    "GET audit": account.audit,
    "GET billing/usage/events": account.billing_usage,
    "GET billing/usage/checkpoints/current": account.checkpoint_storage,
    "GET auth/apikey/me": account.api_key,
}
"""What needs a key."""
