-- Finding instruments by what someone types: the beginning of a symbol, of the pair after a prefix, or of words of a name.
-- Patterns need an order by bytes, whatever the database's language.

create index instruments_symbol_begins on instruments (symbol text_pattern_ops);
create index instruments_pair_begins on instruments (split_part(symbol, ':', 2) text_pattern_ops);
create index instruments_words on instruments using gin (to_tsvector('simple', coalesce(name, '')));
