"""Which members of a request are orders to LiteLLM, and which belong to the request."""

import pytest

from llm_router.translator.reserved import is_reserved

# Everything that the three formats and embeddings know, and what many compatible servers know besides.
OFFICIAL = """
    model messages input system instructions prompt stream stream_options temperature top_p top_k min_p n stop
    stop_sequences max_tokens max_completion_tokens max_output_tokens presence_penalty frequency_penalty
    repetition_penalty logit_bias logprobs top_logprobs seed user response_format tools tool_choice
    parallel_tool_calls max_tool_calls functions function_call modalities audio prediction reasoning reasoning_effort
    thinking verbosity text include store background truncation previous_response_id conversation service_tier
    prompt_cache_key prompt_cache_retention prompt_cache_options safety_identifier web_search_options metadata
    context_management container mcp_servers output_config output_format cache_control speed inference_geo betas
    dimensions encoding_format session_id chat_template_kwargs guided_json provider
"""
ORDERS = """
    api_base base_url api_key custom_llm_provider fallbacks context_window_fallbacks mock_response mock_delay
    litellm_params litellm_metadata user_config num_retries headers extra_headers extra_body extra_query model_list
    callbacks success_callback no-log guardrails timeout request_timeout deployment_id specific_deployment
    vertex_credentials aws_role_name azure_ad_token input_cost_per_token output_cost_per_token tags priority
    router_settings_override vector_store_ids prompt_id _skip_responses_api_bridge use_chat_completions_api
    langfuse_host user_api_key_auth_metadata s3_endpoint_url drop_params additional_drop_params ssl_verify
"""


@pytest.mark.parametrize("name", OFFICIAL.split())
def test_what_belongs_to_a_request(name: str):
    """It travels through the translator."""
    assert not is_reserved(name)


@pytest.mark.parametrize("name", ORDERS.split())
def test_what_is_an_order_to_litellm(name: str):
    """It does not."""
    assert is_reserved(name)
