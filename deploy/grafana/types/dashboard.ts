// What the dashboards may be, from Grafana's own types. Where those say "any record", the options and field settings of the panels that we
// use take its place, so that a misspelt option is an error. scripts/operations/test_dashboards.py holds the files against `Checked`.
import type {
    AnnotationQuery, Dashboard, DataSourceRef, DataTransformerConfig, FieldConfig, MatcherConfig, Panel, RowPanel, VariableModel,
} from '@grafana/schema';
import type { Options as BarGauge } from './node_modules/@grafana/schema/dist/types/raw/composable/bargauge/panelcfg/x/types.gen';
import type { Options as Stat } from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type {
    FieldConfig as TimelineField, Options as Timeline,
} from './node_modules/@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import type { Options as Table } from './node_modules/@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type {
    FieldConfig as SeriesField, Options as Series,
} from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

// In a file an enumeration's member is its value.
type Json<T> = T extends string
    ? `${T}`
    : T extends number
      ? number extends T
          ? number
          : `${T}` extends `${infer N extends number}`
            ? N
            : never
      : T extends boolean
        ? T
        : T extends readonly (infer U)[]
          ? Json<U>[]
          : T extends object
            ? { [K in keyof T]: Json<T[K]> }
            : T;

// Grafana keeps the queries of its data sources out of the schema; these are the fields of Prometheus' that we use.
interface Query {
    refId: string;
    datasource: DataSourceRef;
    expr: string;
    legendFormat: string;
    format?: 'time_series' | 'table' | 'heatmap';
    instant: boolean;
    range: boolean;
}

interface Settings<Field> {
    defaults: Omit<FieldConfig, 'custom'> & { custom?: Field };
    overrides: { matcher: MatcherConfig; properties: { id: string; value?: unknown }[] }[];
}

type Of<Type extends string, Options, Field = never> = Omit<
    Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'transformations'
> & {
    type: Type;
    options: Options;
    fieldConfig: Settings<Field>;
    targets: Query[];
    transformations?: DataTransformerConfig[];
};

type Ours =
    | Of<'stat', Stat>
    | Of<'bargauge', BarGauge>
    | Of<'table', Table>
    | Of<'timeseries', Series, SeriesField>
    | Of<'state-timeline', Timeline, TimelineField>;

export type Checked = Json<
    Omit<Dashboard, 'panels' | 'annotations' | 'templating'> & {
        panels: (RowPanel | Ours)[];
        annotations: { list: AnnotationQuery<Query>[] };
        templating: { list: VariableModel[] };
    }
>;
