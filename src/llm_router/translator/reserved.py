"""Members of a request that LiteLLM takes as orders to itself instead of a part of the request. Standard library only.

LiteLLM reads them from the same JSON object as the client's own members: where to send the call and with which key, to
whom to turn when it fails, what to invent instead of asking, what to log. Each would undo a decision of the router's.
The suite asks the installed LiteLLM for its own lists and finds every name here.
"""

import re

_LISTED = """
acompletion adapter_id additional_drop_params aembedding agent agentcore_runtime_session_id aimg_generation
allm_passthrough_route allow_client_keepalive_override allowed_model_region allowed_openai_params
anthropic-workspace-id api_base api_key api_type api_version apikey applied_guardrails applied_policies aresponses
assistant_continue_message async_call atext_completion attempted_targets azure base_model base_url batch_models
bos_token bucket_name budget_duration cache cache_control_injection_points cache_hit cache_key caching
caching_groups call_type callbacks client client_id client_secret client_side_timeout complete_response
completion_call_id configurable_clientside_auth_params content_policy_fallbacks context_window_fallback_dict
context_window_fallbacks cooldown_time custom_llm_provider custom_prompt_dict data_residency
default_api_key_rpm_limit default_api_key_tpm_limit deployment deployment_id deployment_url
disable_add_transform_inline_image_block disable_fallbacks drop_params enable_json_schema_validation
enable_prompt_caching enable_tag_filtering endpoint ensure_alternating_roles eos_token extra_body extra_headers
extra_query failure_callback fake_stream fallback_depth fallback_model_group fallbacks fastest_response
final_prompt_value fireworks_forward_user_id force_timeout gigachat_access_token gigachat_auth_url gigachat_scope
guardrail_config guardrail_context guardrail_to_apply guardrails headers hf_model_name id include_fallback_errors
include_guardrail_response include_server_side_tool_invocations incoming_bearer_token initial_prompt_value itpm
keepalive_seconds log_client_error_tracebacks logger_fn max_agentic_loops max_budget max_budget_per_session
max_fallbacks max_file_size_mb max_iterations max_parallel_requests max_retries merge_reasoning_content_in_choices
model_alias_map model_config model_file_id_mapping model_group_retry_policy model_id model_info model_list no-log
num_retries nvcf_function_id optional_params order organization original_function original_generic_function otpm
output_vector_size parent_otel_span passthrough passthrough_on_no_deployment policies predibase_tenant_id
preset_cache_key pricing_overrides priority project_id prompt_environment prompt_id prompt_integration prompt_label
prompt_variables prompt_version provider_affinity_header provider_specific_header proxy_server_request region_name
request_timeout response_cost retry_policy retry_strategy roles router_settings router_settings_override
routing_groups routing_strategy routing_strategy_args rpm rust sagemaker_base_url search_tool_name secret_fields
selected_guardrail self shared_session signoz_ingestion_endpoint signoz_ingestion_key silent_model slack_webhook_url
specific_deployment spend_logs_metadata ssl_verify standard_callback_dynamic_params standard_logging_object
stream_chunk_size stream_response stream_timeout stream_timeout_by_service_tier success_callback
supports_system_message tag_regex tags team_id tenant_id text_completion text_format tiered_pricing timeout
timeout_by_service_tier tpm ttl turn_off_message_logging use_chat_completions_api use_client use_in_pass_through
use_litellm_proxy use_ssl use_xai_oauth user_config user_continue_message vector_store_id vector_store_ids
vector_store_request_metadata verbose watsonx_credentials watsonx_region_name weight workspace_id wx_credentials
"""
_NAMES = frozenset(_LISTED.split())
_FAMILIES = re.compile(
    r"_|litellm_|mock_|user_api_key|aws_|azure_|vertex_|anthropic_|openai_|bedrock_|s3_|gcs_|valkey_|milvus_|mcp_(?!servers$)"
    r"|arize_|braintrust_|dd_|humanloop_|langfuse_|langsmith_|lunary_|newrelic_|posthog_|wandb_|weave_|phoenix_"
    r"|(?:auto|adaptive|complexity|quality)_router_"
)
_PRICES = re.compile(r"(?:^|_)costs?(?:_|$)|_uplift_multiplier")


def is_reserved(name: str) -> bool:
    """Whether LiteLLM would obey a member of this name instead of passing it on or leaving it alone."""
    return name in _NAMES or _FAMILIES.match(name) is not None or _PRICES.search(name) is not None
