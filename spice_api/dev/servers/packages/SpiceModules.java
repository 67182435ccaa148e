package spice.servers;

import java.util.*;
import java.util.function.*;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.Tokenizer;
import org.apache.lucene.analysis.core.*;
import org.apache.lucene.analysis.en.PorterStemFilter;
import org.apache.lucene.analysis.miscellaneous.*;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.ngram.*;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexVersion;
import org.elasticsearch.index.analysis.*;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.*;
import org.elasticsearch.rest.*;
import org.elasticsearch.xcontent.XContentBuilder;

/** The parts of the full distribution that the integ-test zip lacks and the tests need: "GET /" and a few analysis factories. */
public class SpiceModules extends Plugin implements ActionPlugin, AnalysisPlugin {
    private volatile ClusterService cluster;

    @Override
    public Collection<?> createComponents(PluginServices s) {
        cluster = s.clusterService();
        return List.of();
    }

    @Override
    public Collection<RestHandler> getRestHandlers(RestHandlersServices s, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> f) {
        return List.of(new BaseRestHandler() {
            @Override public String getName() { return "spice_main_action"; }
            @Override public List<Route> routes() {
                return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
            }
            @Override protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
                return channel -> {
                    Build b = Build.current();
                    XContentBuilder x = channel.newBuilder().prettyPrint().startObject()
                        .field("name", cluster.getNodeName())
                        .field("cluster_name", cluster.getClusterName().value())
                        .field("cluster_uuid", cluster.state().metadata().clusterUUID())
                        .startObject("version").field("number", b.qualifiedVersion()).field("build_flavor", b.flavor())
                        .field("build_type", b.type().displayName()).field("build_hash", b.hash()).field("build_date", b.date())
                        .field("build_snapshot", b.isSnapshot()).field("lucene_version", IndexVersion.current().luceneVersion().toString())
                        .field("minimum_wire_compatibility_version", b.minWireCompatVersion())
                        .field("minimum_index_compatibility_version", b.minIndexCompatVersion()).endObject()
                        .field("tagline", "You Know, for Search").endObject();
                    channel.sendResponse(new RestResponse(RestStatus.OK, x));
                };
            }
        });
    }

    private static AnalysisProvider<TokenizerFactory> tokenizer(Function<Settings, Tokenizer> make) {
        return (index, env, name, s) -> TokenizerFactory.newFactory(name, () -> make.apply(s));
    }

    private interface Maker { TokenStream make(TokenStream in, Settings s); }

    private static class Filter extends AbstractTokenFilterFactory {
        final Maker m; final Settings s;
        Filter(String name, Maker m, Settings s) { super(name); this.m = m; this.s = s; }
        @Override public TokenStream create(TokenStream in) { return m.make(in, s); }
    }

    /** May also stand in a normalizer: it maps one token to one token. */
    private static class NormFilter extends Filter implements NormalizingTokenFilterFactory {
        NormFilter(String name, Maker m, Settings s) { super(name, m, s); }
    }

    private static AnalysisProvider<TokenFilterFactory> filter(Maker m) { return (i, e, name, s) -> new Filter(name, m, s); }
    private static AnalysisProvider<TokenFilterFactory> norm(Maker m) { return (i, e, name, s) -> new NormFilter(name, m, s); }

    private static int min(Settings s) { return s.getAsInt("min_gram", 1); }
    private static int max(Settings s) { return s.getAsInt("max_gram", 2); }

    /** token_chars as in the full distribution: an empty list keeps every character. */
    private static IntPredicate chars(Settings s) {
        List<String> kinds = s.getAsList("token_chars");
        return c -> kinds.isEmpty() || kinds.stream().anyMatch(k -> switch (k) {
            case "letter" -> Character.isLetter(c);
            case "digit" -> Character.isDigit(c);
            case "whitespace" -> Character.isWhitespace(c);
            case "custom" -> s.get("custom_token_chars", "").indexOf(c) >= 0;
            default -> throw new IllegalArgumentException("token_chars: [" + k + "] is not supported by spice-modules");
        });
    }

    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of(
            "keyword", tokenizer(s -> new KeywordTokenizer()),
            "whitespace", tokenizer(s -> new WhitespaceTokenizer()),
            "uax_url_email", tokenizer(s -> new UAX29URLEmailTokenizer()), // the .security index (API keys, native users) needs this one
            "ngram", tokenizer(s -> { IntPredicate p = chars(s); return new NGramTokenizer(min(s), max(s)) {
                @Override protected boolean isTokenChar(int c) { return p.test(c); } }; }),
            "edge_ngram", tokenizer(s -> { IntPredicate p = chars(s); return new EdgeNGramTokenizer(min(s), max(s)) {
                @Override protected boolean isTokenChar(int c) { return p.test(c); } }; }));
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of(
            "ngram", filter((in, s) -> new NGramTokenFilter(in, min(s), max(s), s.getAsBoolean("preserve_original", false))),
            "edge_ngram", filter((in, s) -> new EdgeNGramTokenFilter(in, min(s), max(s), s.getAsBoolean("preserve_original", false))),
            "asciifolding", norm((in, s) -> new ASCIIFoldingFilter(in, s.getAsBoolean("preserve_original", false))),
            "trim", norm((in, s) -> new TrimFilter(in)),
            "unique", filter((in, s) -> new RemoveDuplicatesTokenFilter(in)),
            "pattern_capture", filter((in, s) -> new PatternCaptureGroupTokenFilter(in, s.getAsBoolean("preserve_original", true),
                s.getAsList("patterns").stream().map(java.util.regex.Pattern::compile).toArray(java.util.regex.Pattern[]::new))),
            "porter_stem", filter((in, s) -> new PorterStemFilter(in)));
    }
}
