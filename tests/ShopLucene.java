// ShopLucene.java - top-50 lists of Lucene 8 as WebShop has them (pyserini 0.17: Anserini's English analysis with Porter's stems,
// BM25 with k1 0.9 and b 0.4, equal scores by id), for tests/shop_reference.py.
// usage: java -cp LUCENE_JARS ShopLucene.java DOCS QUERIES TERMS LISTS   (DOCS: id, tab, text; a line each)
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import org.apache.lucene.analysis.*;
import org.apache.lucene.analysis.en.*;
import org.apache.lucene.analysis.standard.*;
import org.apache.lucene.analysis.tokenattributes.*;
import org.apache.lucene.document.*;
import org.apache.lucene.index.*;
import org.apache.lucene.search.*;
import org.apache.lucene.search.similarities.*;
import org.apache.lucene.store.*;
import org.apache.lucene.util.BytesRef;

public class ShopLucene {
    static final int HITS = 50;

    static Analyzer english() {
        return new StopwordAnalyzerBase(EnglishAnalyzer.ENGLISH_STOP_WORDS_SET) {
            protected TokenStreamComponents createComponents(String field) {
                Tokenizer words = new StandardTokenizer();
                TokenStream terms = new LowerCaseFilter(new EnglishPossessiveFilter(words));
                return new TokenStreamComponents(words, new PorterStemFilter(new StopFilter(terms, stopwords)));
            }
        };
    }

    static List<String> terms(Analyzer a, String text) throws IOException {
        List<String> all = new ArrayList<>();
        try (TokenStream s = a.tokenStream("contents", text)) {
            CharTermAttribute term = s.addAttribute(CharTermAttribute.class);
            s.reset();
            while (s.incrementToken())
                all.add(term.toString());
            s.end();
        }
        return all;
    }

    public static void main(String[] args) throws Exception {
        Analyzer a = english();
        Directory memory = new ByteBuffersDirectory();
        IndexWriterConfig config = new IndexWriterConfig(a);
        config.setSimilarity(new BM25Similarity(0.9f, 0.4f));
        IndexWriter writer = new IndexWriter(memory, config);
        try (PrintStream out = new PrintStream(args[2], "UTF-8")) {
            for (String line : Files.readAllLines(Paths.get(args[0]), StandardCharsets.UTF_8)) {
                String[] part = line.split("\t", 2);
                Document d = new Document();
                d.add(new StringField("id", part[0], Field.Store.YES));
                d.add(new SortedDocValuesField("id", new BytesRef(part[0])));
                d.add(new TextField("contents", part[1], Field.Store.NO));
                writer.addDocument(d);
                out.println(String.join("\t", terms(a, part[1])));
            }
        }
        writer.commit();
        IndexSearcher searcher = new IndexSearcher(DirectoryReader.open(memory));
        searcher.setSimilarity(new BM25Similarity(0.9f, 0.4f));
        Sort order = new Sort(SortField.FIELD_SCORE, new SortField("id", SortField.Type.STRING));
        try (PrintStream out = new PrintStream(args[3], "UTF-8")) {
            for (String line : Files.readAllLines(Paths.get(args[1]), StandardCharsets.UTF_8)) {
                Map<String, Integer> count = new TreeMap<>();
                for (String t : terms(a, line))
                    count.merge(t, 1, Integer::sum);
                BooleanQuery.Builder query = new BooleanQuery.Builder();
                for (Map.Entry<String, Integer> e : count.entrySet())
                    query.add(new BoostQuery(new TermQuery(new Term("contents", e.getKey())), e.getValue()),
                              BooleanClause.Occur.SHOULD);
                StringBuilder list = new StringBuilder();
                for (ScoreDoc d : searcher.search(query.build(), HITS, order, true).scoreDocs)
                    list.append(list.length() > 0 ? " " : "").append(searcher.doc(d.doc).get("id")).append(':')
                        .append(((FieldDoc) d).score);
                out.println(list);
            }
        }
    }
}
