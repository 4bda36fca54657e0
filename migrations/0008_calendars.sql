-- Currencies, and extended hours as a series' option.

alter table instruments drop constraint instruments_asset_class_check;
alter table instruments add check (asset_class in ('equity', 'crypto', 'fx'));
alter table instruments drop constraint instruments_calendar_check;
alter table instruments add check (calendar in ('XNYS', 'FX', '24x7'));

alter table series add hours text not null default 'regular' check (hours in ('regular', 'extended'));
