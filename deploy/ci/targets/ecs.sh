# shellcheck shell=bash disable=SC2034  # BASELINE and CANDIDATE are for the scripts that read this
# Amazon ECS; see ecs.md. RELEASE is an image by its digest. Needs aws and jq, and these:
need ECS_CLUSTER "the cluster's name"
need ECS_SERVICE "the service that serves"
need ECS_CANARY_SERVICE "the service that runs a canary"
need ECS_BASELINE_URL "where the service that serves is asked"
need ECS_CANARY_URL "where the canary is asked"
for name in aws jq; do command -v "$name" >/dev/null || fail "there is no $name: install it"; done
BASELINE=$ECS_BASELINE_URL

candidate_up() {
  deploy_to "$ECS_CANARY_SERVICE" "$(registered "$ECS_CANARY_SERVICE")" --desired-count 1
  CANDIDATE=$ECS_CANARY_URL
}

candidate_down() {
  aws ecs update-service --cluster "$ECS_CLUSTER" --service "$ECS_CANARY_SERVICE" --desired-count 0 >/dev/null
}

baseline_runs() { [[ $(described "$ECS_SERVICE" runningCount) -gt 0 ]]; }

promote() {
  local before
  before=$(described "$ECS_SERVICE" taskDefinition) || return
  # Kept where a rollback of another day finds it too.
  aws ecs tag-resource --resource-arn "$(described "$ECS_SERVICE" serviceArn)" --tags "key=previous,value=$before" ||
    return
  deploy_to "$ECS_SERVICE" "$(registered "$ECS_SERVICE")"
}

# The definition before this one: --force-new-deployment alone would start the same one again.
rollback() {
  local before
  before=$(aws ecs list-tags-for-resource --resource-arn "$(described "$ECS_SERVICE" serviceArn)" \
    --query "tags[?key=='previous'].value" --output text)
  [[ -n $before ]] || { step "there is no task definition before this one" && return 1; }
  deploy_to "$ECS_SERVICE" "$before"
}

deploy_to() {
  local service=$1 definition=$2
  shift 2
  [[ -n $definition ]] || return
  aws ecs update-service --cluster "$ECS_CLUSTER" --service "$service" --task-definition "$definition" "$@" >/dev/null || return
  aws ecs wait services-stable --cluster "$ECS_CLUSTER" --services "$service"
}

described() {
  aws ecs describe-services --cluster "$ECS_CLUSTER" --services "$1" --query "services[0].$2" --output text
}

# The service's own task definition with every image of ours replaced; prints the new revision.
registered() {
  aws ecs describe-task-definition --task-definition "$(described "$1" taskDefinition)" --query taskDefinition |
    jq --arg image "$RELEASE" '
      .containerDefinitions |= map(if .name | startswith("docqa") then .image = $image else . end)
      | {family, containerDefinitions, cpu, memory, volumes, networkMode, requiresCompatibilities, taskRoleArn,
         executionRoleArn, placementConstraints, runtimePlatform, ephemeralStorage}
      | with_entries(select(.value != null))' |
    aws ecs register-task-definition --cli-input-json file:///dev/stdin \
      --query taskDefinition.taskDefinitionArn --output text
}
