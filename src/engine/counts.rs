//! What do the counters of all floors add up to? One snapshot for the metrics, one summary for people.

use super::outputs::Outputs;
use super::pipeline::Pipeline;
use super::worker::WorkerCounts;
use crate::alert::Summary;
use crate::detect::{CATALOGUE, Severity};
use crate::flow::CloseReason;
use crate::identity::forwarded::Unresolved;
use crate::metrics::Snapshot;
use crate::metrics::snapshot::{InterfaceCounts, OutputCounts};
use crate::proto::TlsVersion;
use crate::proto::tls::Unread;
use crate::session::once::Once;
use crate::token::TokenClass;

/// All counters for the metrics; `interfaces` in the order of the layout.
#[must_use]
pub fn snapshot(pipeline: &Pipeline, outputs: &Outputs, interfaces: Vec<InterfaceCounts>) -> Snapshot {
    let mut values: Vec<(&'static str, &'static str, u64)> = Vec::new();
    let WorkerCounts { flows, flow_bytes, proto, tokens } = pipeline.counts();
    values.extend(limits(pipeline, Some(outputs)).into_iter().map(|(limit, n)| ("limit_hits_total", limit, n)));
    let fragments = *pipeline.defragmenter().counters();
    let sessions = pipeline.stage().sessions();
    let desk = pipeline.stage().desk();

    values.extend(pipeline.reading().undecoded_by_layer().map(|(layer, n)| ("decode_errors_total", layer, n)));
    values.extend(pipeline.reading().decapsulated_by_kind().map(|(kind, n)| ("decapsulated_packets_total", kind, n)));
    values.extend([
        ("capture_unread_total", "ip_fragment", fragments.unread),
        ("capture_unread_total", "upgrade", proto.upgrades_unread),
        ("capture_unread_total", "unknown_protocol", proto.unknown_protocol),
        ("flows_active", "", flows.flows_active),
        ("flows_created_total", "", flows.flows_created),
        ("flows_evicted_total", "timeout", flows.closed(CloseReason::Timeout)),
        ("flows_evicted_total", "evicted", flows.closed(CloseReason::Evicted)),
        ("tcp_acked_bytes_total", "", flows.tcp_acked_bytes),
        ("tcp_acked_unseen_bytes_total", "", flows.tcp_acked_unseen_bytes),
        ("tcp_conflicting_overlap_bytes_total", "", flows.conflicting_overlap_bytes),
        ("duplicates_total", "segment", flows.duplicates),
        ("forwarded_ignored_total", "", tokens.forwarded_ignored),
        ("tls_decrypted_connections_total", "", proto.tls_decrypted),
        ("http_requests_total", "http1", proto.http1_requests),
        ("http_requests_total", "http2", proto.http2_requests),
        ("http_parse_errors_total", "http1", proto.http1_errors),
        ("http_parse_errors_total", "http2", proto.http2_errors),
        ("sessions_tracked", "", sessions.tracked),
        ("sessions_evicted_total", "memory", sessions.evicted_memory),
        ("sessions_evicted_total", "retention", sessions.evicted_retention),
        ("memory_bytes", "sessions", sessions.bytes),
        ("memory_bytes", "reassembly", flows.held_bytes + flows.recall_bytes + fragments.held_bytes),
        ("memory_bytes", "flows", flow_bytes),
        ("tokens_ignored_total", "weak_unissued", sessions.weak_unissued),
        ("tokens_ignored_total", "fetcher", sessions.fetcher),
        ("panics_total", "packet", pipeline.reading().panics),
        ("panics_total", "flow", flows.quarantined),
        ("panics_total", "session", pipeline.stage().counters().panics),
    ]);
    let versions = TlsVersion::LABELS.into_iter().zip(proto.tls_versions);
    values.extend(versions.map(|(version, n)| ("tls_connections_total", version, n)));
    let unread = Unread::LABELS.into_iter().zip(proto.tls_undecrypted);
    values.extend(unread.map(|(reason, n)| ("tls_undecrypted_connections_total", reason, n)));
    values.extend(TokenClass::ALL.iter().zip(tokens.sightings).map(|(c, n)| ("token_sightings_total", c.as_str(), n)));
    values.extend(Once::KINDS.iter().zip(sessions.repeats).map(|(kind, n)| ("duplicates_total", *kind, n)));
    let unresolved = Unresolved::REASONS.iter().zip(tokens.unresolved);
    values.extend(unresolved.map(|(reason, n)| ("client_address_unresolved_total", *reason, n)));
    values.extend(tokens.ignored.reasons().map(|(reason, n)| ("tokens_ignored_total", reason, n)));
    let desk_suppressed = desk.suppressed.by_reason();
    values.extend(desk_suppressed.map(|(reason, n)| ("alerts_suppressed_total", reason, n)));

    let alerts = CATALOGUE.iter().map(|detector| {
        Severity::ALL.map(|severity| desk.alerts.get(&(detector.id, severity)).copied().unwrap_or_default())
    });
    let outputs =
        outputs.counters().map(|(_, c)| OutputCounts { events: c.events, errors: c.errors, dropped: c.dropped });
    Snapshot { interfaces, outputs: outputs.collect(), alerts: alerts.collect(), values }
}

/// What was read and found, for people and for the last line of the metadata log; `outputs`, where there
/// are any.
#[must_use]
pub fn summary(
    pipeline: &Pipeline,
    outputs: Option<&Outputs>,
    captures: Vec<Box<str>>,
    truncated: Vec<Box<str>>,
) -> Summary {
    let WorkerCounts { flows, proto, tokens, .. } = pipeline.counts();
    let limits_hit = limits(pipeline, outputs).into_iter().filter(|(_, n)| *n > 0).collect();
    let reading = pipeline.reading();
    let stage = pipeline.stage();
    Summary {
        first: reading.times().map(|(first, _)| first),
        last: reading.times().map(|(_, last)| last),
        frames: reading.frames,
        bytes: reading.bytes,
        flows: flows.flows_created,
        requests: proto.http1_requests + proto.http2_requests,
        responses: proto.http1_responses + proto.http2_responses,
        tokens: tokens.sightings.iter().sum(),
        sessions: stage.sessions().created,
        opaque_connections: proto.tls_opaque(),
        decrypted_connections: proto.tls_decrypted,
        gaps: flows.gaps,
        forwarded_ignored: tokens.forwarded_ignored,
        limits_hit,
        decode_errors: reading
            .undecoded_by_layer()
            .chain([("fragment", pipeline.defragmenter().counters().unread)])
            .filter(|(_, n)| *n > 0)
            .collect(),
        alerts: stage.tally().clone(),
        captures,
        truncated,
    }
}

/// How often each bound was reached; the names are the labels of `limit_hits_total`.
fn limits(pipeline: &Pipeline, outputs: Option<&Outputs>) -> Vec<(&'static str, u64)> {
    let WorkerCounts { flows, proto, tokens, .. } = pipeline.counts();
    let [cookie_pairs, parameters, pipelined, agents, fingerprints, header_orders, repeats] = tokens.limits();
    let fragments = *pipeline.defragmenter().counters();
    let sessions = pipeline.stage().sessions();
    vec![
        ("datagrams", fragments.limit_datagrams),
        ("datagram_bytes", fragments.limit_bytes),
        ("datagram_size", fragments.limit_datagram_size),
        ("datagram_rereads", fragments.limit_rereads),
        ("direction_segments", flows.limit_direction_segments),
        ("direction_bytes", flows.limit_direction_bytes),
        ("reassembly_bytes", flows.limit_reassembly_bytes),
        ("recall_bytes", flows.limit_recall),
        ("rivals", flows.limit_rivals),
        ("flow_table", flows.limit_flow_table),
        ("http_head", proto.head_limit_hits),
        ("http_headers", proto.header_limit_hits),
        ("http_pipeline", proto.pipeline_limit_hits),
        ("http2_streams", proto.stream_limit_hits),
        ("http2_block", proto.block_limit_hits),
        ("http2_header_list", proto.list_limit_hits),
        ("http2_table", proto.table_limit_hits),
        ("http2_bodies", proto.body_limit_hits),
        ("tunnel_depth", proto.tunnel_limit_hits + pipeline.reading().too_deep),
        cookie_pairs,
        parameters,
        pipelined,
        agents,
        fingerprints,
        header_orders,
        repeats,
        ("tls_handshake", proto.tls_handshake_limit_hits),
        ("tls_keys", proto.tls_keys_limit_hits),
        ("secrets_block", pipeline.secrets_cut()),
        ("bindings", sessions.binding_limit_hits),
        ("pending_replies", sessions.pending_limit_hits),
        ("aliases", sessions.alias_limit_hits),
        ("suspects", sessions.suspect_limit_hits),
        ("once", sessions.once_limit_hits),
        ("guessers", sessions.guesser_limit_hits),
        ("presenters", sessions.presenter_limit_hits),
        ("attacked", sessions.attacked_limit_hits),
        ("exposures", pipeline.stage().detector_limit_hits()),
        ("neighbours", sessions.neighbour_limit_hits),
        ("dedup", pipeline.stage().desk().dedup_limit_hits),
        ("session_alerts", pipeline.stage().desk().session_limit_hits),
        ("waiting_alerts", outputs.map_or(0, Outputs::waiting_limit_hits)),
        ("sessions", sessions.evicted_memory),
    ]
}

#[cfg(test)]
mod tests {
    use crate::engine::build;
    use crate::metrics::snapshot::GAUGES;

    #[test]
    fn every_pool_has_a_level_and_a_limit() {
        let levels = GAUGES.iter().find(|family| family.name == "memory_bytes").unwrap().values;
        assert_eq!(build::pools(1 << 30).map(|(pool, _)| pool), levels);
    }
}
